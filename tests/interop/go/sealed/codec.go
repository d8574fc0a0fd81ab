// Package sealed is a payload codec in the format of docs/format.md, written against the Go SDK.
//
// It knows nothing of the Python side: what one seals and the other opens proves the format.
package sealed

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"fmt"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"
)

// The key that Temporal's samples use, which is no secret.
const (
	keyID  = "test-key-id"
	secret = "test-key-test-key-test-key-test!"
)

const (
	encoding    = "binary/encrypted"
	keyMetadata = "encryption-key-id"
)

// Codec seals every payload whole with AES-256-GCM, and opens what has its encoding.
type Codec struct {
	cipher cipher.AEAD
}

var _ converter.PayloadCodec = (*Codec)(nil)

// New makes a codec with the samples' key.
func New() (*Codec, error) {
	block, err := aes.NewCipher([]byte(secret))
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &Codec{gcm}, nil
}

// Encode seals payloads.
func (c *Codec) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	return each(payloads, c.seal)
}

// Decode opens payloads; those of another encoding stay as they are.
func (c *Codec) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	return each(payloads, c.open)
}

func each(
	payloads []*commonpb.Payload, change func(*commonpb.Payload) (*commonpb.Payload, error),
) ([]*commonpb.Payload, error) {
	changed := make([]*commonpb.Payload, len(payloads))
	for i, payload := range payloads {
		result, err := change(payload)
		if err != nil {
			return nil, fmt.Errorf("payload %d: %w", i, err)
		}
		changed[i] = result
	}
	return changed, nil
}

func (c *Codec) seal(payload *commonpb.Payload) (*commonpb.Payload, error) {
	plain, err := proto.Marshal(payload)
	if err != nil {
		return nil, err
	}
	size := c.cipher.NonceSize()
	data := make([]byte, size, size+len(plain)+c.cipher.Overhead())
	if _, err := rand.Read(data); err != nil {
		return nil, err
	}
	return &commonpb.Payload{
		Metadata: map[string][]byte{
			converter.MetadataEncoding: []byte(encoding),
			keyMetadata:                []byte(keyID),
		},
		Data: c.cipher.Seal(data, data, plain, nil),
	}, nil
}

func (c *Codec) open(payload *commonpb.Payload) (*commonpb.Payload, error) {
	if string(payload.GetMetadata()[converter.MetadataEncoding]) != encoding {
		return payload, nil
	}
	if id := payload.GetMetadata()[keyMetadata]; string(id) != keyID {
		return nil, fmt.Errorf("there is no key %q", id)
	}
	size := c.cipher.NonceSize()
	if len(payload.GetData()) < size {
		return nil, fmt.Errorf("%d bytes are too few", len(payload.GetData()))
	}
	plain, err := c.cipher.Open(nil, payload.Data[:size], payload.Data[size:], nil)
	if err != nil {
		return nil, err
	}
	opened := &commonpb.Payload{}
	return opened, proto.Unmarshal(plain, opened)
}
