"""The Lambda function for POST /encode, if CODEC_OPERATIONS includes it."""

import os

from handlers.startup import collect_garbage_again, lambda_function

handler = lambda_function(os.environ, only="encode")
collect_garbage_again()
