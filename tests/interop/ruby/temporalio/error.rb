# frozen_string_literal: true

# Stands in for the SDK where its gem is missing: what the ring reader uses of it.
module Temporalio
  class Error < StandardError
    class ApplicationError < Error
      attr_reader :type, :non_retryable

      def initialize(message, type: nil, non_retryable: false)
        super(message)
        @type = type
        @non_retryable = non_retryable
      end
    end
  end
end
