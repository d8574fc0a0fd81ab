import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import type { Payload } from '@temporalio/common';
import proto from '@temporalio/proto';
import { RingCodec, derived, placeName } from './ring-codec.js';

const messages = proto.temporal.api.common.v1;
const VECTORS = process.env.VECTORS ?? '../../tests/vectors';
const KEY = Buffer.alloc(32).toString('base64');

const read = (document: object): Payload[] =>
  messages.Payloads.fromObject(document).payloads as Payload[];
const same = (one: Payload[], other: Payload[]): void =>
  assert.deepEqual(
    one.map((each) => messages.Payload.encode(each).finish().toString()),
    other.map((each) => messages.Payload.encode(each).finish().toString()),
  );
const key = (id: string, date: string, more: object = {}): object => ({
  id,
  key: KEY,
  activation_date: date,
  ...more,
});
const codec = (...keys: object[]): Promise<RingCodec> =>
  RingCodec.with(async () => JSON.stringify({ keys }), 'orders');

test('the key of each namespace is that of the other languages', async () => {
  const files = readdirSync(VECTORS).filter((name) => /^derive-.*json$/.test(name));
  assert.ok(files.length > 0);
  for (const file of files) {
    const vector = JSON.parse(readFileSync(`${VECTORS}/${file}`, 'utf8'));
    const own = derived(Buffer.from(vector.key, 'base64'), vector.id, vector.namespace);
    assert.equal(Buffer.from(own).toString('base64'), vector.derived);
    const opening = await RingCodec.with(async () => JSON.stringify(vector.ring), vector.namespace);
    same(await opening.decode(read(vector.request)), read(vector.expect));
  }
});

test('the latest date that is past seals; a disabled key and one of the future do not', async () => {
  const sealing = await codec(
    key('old', '2024-01-01T00:00:00Z'),
    key('new', '2025-01-01T00:00:00+01:00', { unknown: {} }),
    key('off', '2025-06-01T00:00:00Z', { disabled: true }),
    key('future', '2999-01-01T00:00:00Z'),
  );
  const [sealed] = await sealing.encode([{}]);
  assert.equal(Buffer.from(sealed.metadata!['encryption-key-id']!).toString(), 'new');
});

test('a ring that cannot be trusted is no ring', async () => {
  const date = '2024-01-01T00:00:00Z';
  for (const keys of [
    [],
    [key('a', date), key('a', date)],
    [key('a', '2024-01-01')],
    [key('a', date, { derive: 'other' })],
    [key('a', date, { disabled: 1 })],
    [key('a', date, { key: 'AAAA' })],
  ]) {
    await assert.rejects(codec(...keys), /no key ring/);
  }
});

test('a namespace has a form in the name of a file or a secret', () => {
  assert.equal(placeName('orders-prod.a1b2c'), 'orders-prod.a1b2c');
  assert.equal(placeName('../orders'), '=2E.=2Forders');
  assert.equal(placeName('grö='), 'gr=C3=B6=3D');
  assert.equal(placeName('ö'.repeat(100)).length, 72);
});
