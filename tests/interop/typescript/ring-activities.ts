import { ApplicationFailure } from '@temporalio/common';

export async function compose(name: string): Promise<string> {
  if (name === 'fail') throw ApplicationFailure.nonRetryable('canary', 'Canary');
  return `typescript-result of ${name}`;
}
