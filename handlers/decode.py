"""The Lambda function for POST /decode, and for every path that no other function serves."""

import os

from handlers.startup import collect_garbage_again, lambda_function

handler = lambda_function(os.environ)
collect_garbage_again()
