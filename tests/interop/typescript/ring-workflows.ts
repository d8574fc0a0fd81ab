import { condition, defineSignal, proxyActivities, setHandler } from '@temporalio/workflow';
import type * as activities from './ring-activities.js';

const { compose } = proxyActivities<typeof activities>({ startToCloseTimeout: '30 seconds' });

export async function Greet(name: string): Promise<string> {
  let signalled: string | undefined;
  setHandler(defineSignal<[string]>('note'), (note) => {
    signalled = note;
  });
  const composed = await compose(name);
  await condition(() => signalled !== undefined);
  return `${composed}, ${signalled}`;
}
