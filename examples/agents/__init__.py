"""Agents on Temporal whose prompts, answers and tool calls are encrypted."""
