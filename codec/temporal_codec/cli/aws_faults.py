"""What AWS's errors mean, and what to do next."""

from botocore.exceptions import BotoCoreError, ClientError

from temporal_codec.aws import error_code

_LOG_IN = "Log in again (for example `aws sso login`) and run the command again."
_LATER = "Run the command again in a moment."
_KMS = "The secret's KMS key cannot be used. Check that it is enabled, and your access to it."

# AWS's error codes and botocore's classes.
_MEANINGS = {
    "AccessDeniedException": "AWS does not allow you {operation}. Ask for "
    "secretsmanager:{operation} on this secret, with kms:Decrypt and kms:GenerateDataKey on its "
    "key, or use another profile (AWS_PROFILE).",
    "DecryptionFailure": _KMS,
    "EncryptionFailure": _KMS,
    "ExpiredTokenException": f"Your AWS credentials have expired. {_LOG_IN}",
    "IncompleteSignature": f"AWS does not accept your credentials. {_LOG_IN}",
    "InternalServiceError": f"AWS failed. {_LATER}",
    "InvalidClientTokenId": f"AWS does not know your credentials. {_LOG_IN}",
    "InvalidRequestException": "AWS rejects {operation} in the secret's present state. If it "
    "is marked for deletion, `aws secretsmanager restore-secret --secret-id NAME` brings it back.",
    "InvalidSignatureException": f"AWS does not accept your credentials. {_LOG_IN}",
    "LimitExceededException": "A quota of Secrets Manager is used up. Delete unused versions or "
    "secrets, or request a higher quota.",
    "ResourceExistsException": "A secret with this name exists already and was not changed. "
    "`temporal-codec keys rotate` adds a key to it. If it has no value yet, give it an empty ring "
    "first: docs/operations.md says how.",
    "ResourceNotFoundException": "The secret does not exist. Check its name, the account and the "
    "region (AWS_REGION).",
    "ExpiredToken": f"Your AWS credentials have expired. {_LOG_IN}",
    "InvalidAccessKeyId": f"AWS does not know your credentials. {_LOG_IN}",
    "InvalidToken": f"AWS does not accept your credentials. {_LOG_IN}",
    "RequestTimeTooSkewed": "The clock of this machine is wrong. Set it, and run the command "
    "again.",
    "SignatureDoesNotMatch": f"AWS does not accept your credentials. {_LOG_IN}",
    "ThrottlingException": f"AWS throttles the request. {_LATER}",
    "UnrecognizedClientException": f"AWS does not know your credentials. {_LOG_IN}",
    "ValidationException": "AWS rejects this name of a secret. Use letters, digits and /_+=.@-, "
    "and no ARN for a new secret.",
    "ConnectTimeoutError": f"AWS cannot be reached. Check the network and AWS_REGION. {_LATER}",
    "EndpointConnectionError": "AWS cannot be reached. Check the network, AWS_REGION and "
    "AWS_ENDPOINT_URL.",
    "NoCredentialsError": "No AWS credentials were found. Log in (`aws sso login` or `aws "
    "configure`), or set AWS_PROFILE.",
    "NoRegionError": "No AWS region is set. Set AWS_REGION, or run `aws configure set region`.",
    "PartialCredentialsError": "The AWS credentials are incomplete. Run `aws configure`.",
    "ProfileNotFound": "The AWS profile does not exist. Correct AWS_PROFILE; `aws configure "
    "list-profiles` lists them.",
    "ReadTimeoutError": f"AWS does not respond. {_LATER}",
    "SSOTokenLoadError": f"You are not logged in to AWS. {_LOG_IN}",
    "TokenRetrievalError": f"Your AWS login has expired. {_LOG_IN}",
    "UnauthorizedSSOTokenError": f"Your AWS login has expired. {_LOG_IN}",
}


def fault_code(error: BotoCoreError | ClientError) -> str:
    """AWS's error code, or botocore's class."""
    return error_code(error)


def sentence(error: BotoCoreError | ClientError) -> str:
    """The error in words; never its own text, which may quote the request."""
    operation = error.operation_name if isinstance(error, ClientError) else "the request"
    return meaning(fault_code(error), operation)


def meaning(code: str, operation: str) -> str:
    """What an error with this name means."""
    unknown = f"AWS rejects {operation} ({code}). {_LATER}"
    return _MEANINGS.get(code, unknown).format(operation=operation)
