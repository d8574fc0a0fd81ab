// Reads payloads as JSON from stdin, decodes or encodes them with a codec in the format of
// docs/format.md, written against the TypeScript SDK, and writes them to stdout.

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Payload, PayloadCodec } from '@temporalio/common';
import proto from '@temporalio/proto';

const messages = proto.temporal.api.common.v1;
const text = new TextEncoder();

// The key that Temporal's samples use, which is no secret.
const KEY_ID = text.encode('test-key-id');
const SECRET = text.encode('test-key-test-key-test-key-test!');
const ENCODING = text.encode('binary/encrypted');
const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

const same = (one: Uint8Array | null | undefined, other: Uint8Array): boolean =>
  one != null && Buffer.compare(one, other) === 0;

class SealedCodec implements PayloadCodec {
  async encode(payloads: Payload[]): Promise<Payload[]> {
    return payloads.map((payload) => {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(CIPHER, SECRET, nonce, { authTagLength: TAG_BYTES });
      const plain = messages.Payload.encode(payload).finish();
      const sealed = [nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()];
      const metadata = { encoding: ENCODING, 'encryption-key-id': KEY_ID };
      return { metadata, data: Buffer.concat(sealed) };
    });
  }

  async decode(payloads: Payload[]): Promise<Payload[]> {
    return payloads.map((payload) => {
      if (!same(payload.metadata?.encoding, ENCODING)) return payload;
      if (!same(payload.metadata?.['encryption-key-id'], KEY_ID)) throw new Error('another key');
      const data = payload.data ?? new Uint8Array();
      const nonce = data.subarray(0, NONCE_BYTES);
      const opening = createDecipheriv(CIPHER, SECRET, nonce, { authTagLength: TAG_BYTES });
      opening.setAuthTag(data.subarray(-TAG_BYTES));
      const plain = opening.update(data.subarray(NONCE_BYTES, -TAG_BYTES));
      return messages.Payload.decode(Buffer.concat([plain, opening.final()]));
    });
  }
}

const codec = new SealedCodec();
const { payloads } = messages.Payloads.fromObject(JSON.parse(readFileSync(0, 'utf8')));
const operation = process.argv[2] === 'encode' ? codec.encode : codec.decode;
const changed = messages.Payloads.fromObject({ payloads: await operation(payloads as Payload[]) });
process.stdout.write(JSON.stringify(messages.Payloads.toObject(changed, { bytes: String })));
