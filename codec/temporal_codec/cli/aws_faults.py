"""What AWS answers when it refuses, as a sentence that says what to do next."""

from botocore.exceptions import BotoCoreError, ClientError

from temporal_codec.aws import error_code

_LOG_IN = "Log in again (for example `aws sso login`) and run the command again."
_LATER = "Run the command again in a moment."
_KMS = "The secret's KMS key cannot be used: is it disabled, deleted, or not allowed to you?"

# What AWS's codes and botocore's classes mean to somebody at a terminal.
_MEANINGS = {
    "AccessDeniedException": "AWS does not allow {operation} to you. Let somebody allow "
    "secretsmanager:{operation} on this secret, with kms:Decrypt and kms:GenerateDataKey on its "
    "key, or use another profile (AWS_PROFILE).",
    "DecryptionFailure": _KMS,
    "EncryptionFailure": _KMS,
    "ExpiredTokenException": f"Your AWS credentials have expired. {_LOG_IN}",
    "IncompleteSignature": f"AWS does not accept your credentials. {_LOG_IN}",
    "InternalServiceError": f"AWS failed. {_LATER}",
    "InvalidClientTokenId": f"AWS does not know your credentials. {_LOG_IN}",
    "InvalidRequestException": "AWS refuses {operation} in the state that the secret is in. If it "
    "is marked for deletion, `aws secretsmanager restore-secret --secret-id NAME` brings it back.",
    "InvalidSignatureException": f"AWS does not accept your credentials. {_LOG_IN}",
    "LimitExceededException": "A quota of Secrets Manager is used up. Delete versions or secrets "
    "that nobody needs, or ask AWS for more.",
    "ResourceExistsException": "There is a secret of this name already, and it was left as it is. "
    "`temporal-codec keys rotate` adds a key to it. If it has no value yet, give it an empty ring "
    "first: docs/operations.md tells how.",
    "ResourceNotFoundException": "There is no such secret. Look at its name, the account and the "
    "region (AWS_REGION).",
    "ExpiredToken": f"Your AWS credentials have expired. {_LOG_IN}",
    "InvalidAccessKeyId": f"AWS does not know your credentials. {_LOG_IN}",
    "InvalidToken": f"AWS does not accept your credentials. {_LOG_IN}",
    "RequestTimeTooSkewed": "The clock of this machine is wrong. Set it, and run the command "
    "again.",
    "SignatureDoesNotMatch": f"AWS does not accept your credentials. {_LOG_IN}",
    "ThrottlingException": f"AWS asks to go slower. {_LATER}",
    "UnrecognizedClientException": f"AWS does not know your credentials. {_LOG_IN}",
    "ValidationException": "AWS takes this for no secret's name. Use letters, digits and /_+=.@-, "
    "and no ARN for a new one.",
    "ConnectTimeoutError": f"AWS cannot be reached. Look at the network and AWS_REGION. {_LATER}",
    "EndpointConnectionError": "AWS cannot be reached. Look at the network, AWS_REGION and "
    "AWS_ENDPOINT_URL.",
    "NoCredentialsError": "No AWS credentials were found. Log in (`aws sso login` or `aws "
    "configure`), or set AWS_PROFILE.",
    "NoRegionError": "No AWS region is set. Set AWS_REGION, or run `aws configure set region`.",
    "PartialCredentialsError": "The AWS credentials are incomplete. Run `aws configure`.",
    "ProfileNotFound": "There is no such AWS profile. Correct AWS_PROFILE; `aws configure "
    "list-profiles` shows those that there are.",
    "ReadTimeoutError": f"AWS does not answer. {_LATER}",
    "SSOTokenLoadError": f"You are not logged in to AWS. {_LOG_IN}",
    "TokenRetrievalError": f"Your AWS login has expired. {_LOG_IN}",
    "UnauthorizedSSOTokenError": f"Your AWS login has expired. {_LOG_IN}",
}


def fault_code(error: BotoCoreError | ClientError) -> str:
    """AWS's name for a fault, or botocore's."""
    return error_code(error)


def sentence(error: BotoCoreError | ClientError) -> str:
    """What to tell; never the error's own text, which may quote what was sent."""
    operation = error.operation_name if isinstance(error, ClientError) else "the request"
    return meaning(fault_code(error), operation)


def meaning(code: str, operation: str) -> str:
    """What to tell of a fault with this name."""
    unknown = f"AWS refuses {operation} ({code}). {_LATER}"
    return _MEANINGS.get(code, unknown).format(operation=operation)
