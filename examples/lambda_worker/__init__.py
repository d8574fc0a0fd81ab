"""A worker that Temporal starts on AWS Lambda while there is work for it."""
