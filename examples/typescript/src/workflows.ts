import { proxyActivities } from '@temporalio/workflow';
import type * as activities from './activities.js';

const { compose } = proxyActivities<typeof activities>({ startToCloseTimeout: '1 minute' });

/** A workflow with one activity. */
export async function greet(name: string): Promise<string> {
  return compose(name);
}
