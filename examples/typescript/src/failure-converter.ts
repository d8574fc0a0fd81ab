// Encrypts the messages and stack traces of failures. It is part of the workflow bundle, so it
// imports nothing of Node.js.

import { DefaultFailureConverter } from '@temporalio/common';

export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
