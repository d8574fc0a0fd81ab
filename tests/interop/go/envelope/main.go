// Payloads in the format of Temporal's proxy, with the library that the proxy asks KMS with.
//
//	envelope URI...
//
// The first URI wraps, and all unwrap: the proxy's `uri` and `decryptURIs`. A line of stdin is
// {"seal": BASE64} or {"open": PAYLOAD}, and one of stdout the answer: a payload, {"opened":
// BASE64} or {"fault": TEXT}.
package main

import (
	"bufio"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log"
	"os"

	"gocloud.dev/secrets"
	_ "gocloud.dev/secrets/awskms"
)

type payload struct {
	Metadata map[string][]byte `json:"metadata"`
	Data     []byte            `json:"data"`
}

type request struct {
	Seal []byte   `json:"seal"`
	Open *payload `json:"open"`
}

type proxy struct {
	first   string
	keepers map[string]*secrets.Keeper
}

func main() {
	ctx := context.Background()
	uses := proxy{os.Args[1], map[string]*secrets.Keeper{}}
	for _, uri := range os.Args[1:] {
		keeper, err := secrets.OpenKeeper(ctx, uri)
		if err != nil {
			log.Fatal(err)
		}
		uses.keepers[uri] = keeper
	}
	lines := bufio.NewScanner(os.Stdin)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked request
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			log.Fatal(err)
		}
		answer, err := uses.answer(ctx, asked)
		if err != nil {
			answer = map[string]string{"fault": err.Error()}
		}
		if err := answers.Encode(answer); err != nil {
			log.Fatal(err)
		}
	}
}

func (p proxy) answer(ctx context.Context, asked request) (any, error) {
	if asked.Open == nil {
		return p.seal(ctx, asked.Seal)
	}
	opened, err := p.open(ctx, *asked.Open)
	return map[string][]byte{"opened": opened}, err
}

func (p proxy) seal(ctx context.Context, serialized []byte) (*payload, error) {
	key, nonce := make([]byte, 32), make([]byte, 12)
	rand.Read(key)
	rand.Read(nonce)
	wrapped, err := p.keepers[p.first].Encrypt(ctx, key)
	if err != nil {
		return nil, err
	}
	with, err := gcm(key)
	if err != nil {
		return nil, err
	}
	return &payload{
		Metadata: map[string][]byte{
			"encoding":          []byte("binary/encrypted"),
			"encryption-key-id": []byte(p.first),
			"encryption-dek":    []byte(base64.StdEncoding.EncodeToString(wrapped)),
		},
		Data: with.Seal(nonce, nonce, serialized, nil),
	}, nil
}

func (p proxy) open(ctx context.Context, sealed payload) ([]byte, error) {
	keeper := p.keepers[string(sealed.Metadata["encryption-key-id"])]
	if keeper == nil {
		return nil, errors.New("unknown key")
	}
	wrapped, err := base64.StdEncoding.DecodeString(string(sealed.Metadata["encryption-dek"]))
	if err != nil {
		return nil, err
	}
	key, err := keeper.Decrypt(ctx, wrapped)
	if err != nil {
		return nil, err
	}
	with, err := gcm(key)
	if err != nil {
		return nil, err
	}
	return with.Open(nil, sealed.Data[:12], sealed.Data[12:], nil)
}

func gcm(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
