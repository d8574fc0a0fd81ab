// Package ringcodec encrypts Temporal payloads with a key ring: AES-256-GCM in the format of
// Temporal's encryption samples, with keys that rotate.
//
// Copy this file, or import the package:
//
//	codec, err := ringcodec.Open(ctx, "secretsmanager:temporal-codec/{namespace}", "orders")
//	c, err := client.Dial(codec.Options(client.Options{Namespace: "orders"}))
package ringcodec

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	commonpb "go.temporal.io/api/common/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"
)

const (
	encrypted  = "binary/encrypted"
	compressed = "binary/zlib"
	keyID      = "encryption-key-id"

	fresh    = 5 * time.Minute  // a ring is used this long before it is fetched again
	cooldown = 30 * time.Second // between a failed fetch, or one for an unknown id, and the next
	lastGood = 24 * time.Hour   // a ring is used this long if it cannot be fetched again
	patience = 5 * time.Second  // a fetch may take this long

	// The SDK's deadlock detector stops a workflow that does not yield for a second.
	failurePatience = 500 * time.Millisecond

	maxRingBytes = 65_536
	maxInflated  = 4_000_000
	maxLayers    = 4
)

// PayloadError says that a payload can never be opened. Activities are not retried on it.
type PayloadError struct{ Reason string }

func (e *PayloadError) Error() string { return "cannot decrypt a payload: " + e.Reason }

// UnavailableError says that the keys cannot be fetched now. A later attempt can succeed.
type UnavailableError struct{ Cause error }

func (e *UnavailableError) Error() string { return fmt.Sprintf("no key ring: %v", e.Cause) }

func (e *UnavailableError) Unwrap() error { return e.Cause }

// Fetch gets the text of a key ring.
type Fetch func(context.Context) ([]byte, error)

// Codec encrypts every payload with the active key, and decrypts with the key that a payload names.
type Codec struct {
	ring *source
	wait time.Duration
}

var _ converter.PayloadCodec = (*Codec)(nil)

// Open fetches the ring and keeps it fresh. The URI is secretsmanager:NAME or file:PATH, where
// {namespace} stands for the namespace.
func Open(ctx context.Context, uri, namespace string) (*Codec, error) {
	scheme, name, _ := strings.Cut(uri, ":")
	name = strings.ReplaceAll(name, "{namespace}", placeName(namespace))
	switch {
	case scheme == "file" && name != "":
		return New(ctx, FromFile(name), namespace, time.Now)
	case scheme == "secretsmanager" && name != "":
		return New(ctx, FromSecretsManager(name), namespace, time.Now)
	}
	return nil, errors.New("a key ring's URI must be secretsmanager:NAME or file:PATH")
}

// New is Open with a source and a clock of your own. The ring is refreshed until ctx ends.
func New(ctx context.Context, fetch Fetch, namespace string, clock func() time.Time) (*Codec, error) {
	s := &source{fetch: fetch, namespace: namespace, clock: clock}
	if _, err := s.current(patience); err != nil {
		return nil, err
	}
	go s.keepFresh(ctx)
	return &Codec{s, patience}, nil
}

// Options returns the client's options with encryption of payloads, and of the messages and stack
// traces of failures.
func (c *Codec) Options(options client.Options) client.Options {
	parent := options.DataConverter
	if parent == nil {
		parent = converter.GetDefaultDataConverter()
	}
	options.DataConverter = &dataConverter{
		DataConverter: converter.NewCodecDataConverter(parent, c),
		inWorkflow:    converter.NewCodecDataConverter(parent, &Codec{c.ring, 0}),
	}
	options.FailureConverter = &failureConverter{
		temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{
			DataConverter:          converter.NewCodecDataConverter(parent, &Codec{c.ring, failurePatience}),
			EncodeCommonAttributes: true,
		}),
	}
	return options
}

// Encode encrypts payloads.
func (c *Codec) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	ring, err := c.ring.current(c.wait)
	if err != nil {
		return nil, err
	}
	key, err := ring.sealing(c.ring.clock())
	if err != nil {
		return nil, err
	}
	return each(payloads, key.seal)
}

// Decode decrypts payloads. Those that are not encrypted stay as they are.
func (c *Codec) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	return each(payloads, c.open)
}

func each(
	payloads []*commonpb.Payload, change func(*commonpb.Payload) (*commonpb.Payload, error),
) ([]*commonpb.Payload, error) {
	changed := make([]*commonpb.Payload, len(payloads))
	for i, payload := range payloads {
		var err error
		if changed[i], err = change(payload); err != nil {
			return nil, err
		}
	}
	return changed, nil
}

func (c *Codec) open(payload *commonpb.Payload) (*commonpb.Payload, error) {
	for range maxLayers {
		var plain []byte
		var err error
		metadata := payload.GetMetadata()
		switch string(metadata[converter.MetadataEncoding]) {
		case encrypted:
			if metadata["encryption-dek"] != nil || metadata["encrypted-data-key"] != nil {
				return payload, nil // another system's format
			}
			plain, err = c.decrypt(string(metadata[keyID]), payload.GetData())
		case compressed:
			plain, err = inflate(payload.GetData())
		default:
			return payload, nil
		}
		if err != nil {
			return nil, err
		}
		payload = &commonpb.Payload{}
		if proto.Unmarshal(plain, payload) != nil {
			return nil, &PayloadError{"it does not contain a payload"}
		}
	}
	return payload, nil
}

func (c *Codec) decrypt(id string, data []byte) ([]byte, error) {
	key, err := c.ring.opening(id, c.wait)
	if err != nil {
		return nil, err
	}
	size := key.aead.NonceSize()
	if len(data) < size+key.aead.Overhead() {
		return nil, &PayloadError{"it is too short"}
	}
	plain, err := key.aead.Open(nil, data[:size], data[size:], nil)
	if err != nil {
		return nil, &PayloadError{"it was changed, or encrypted with another key of this id"}
	}
	return plain, nil
}

func inflate(data []byte) ([]byte, error) {
	reader, err := zlib.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, &PayloadError{"its compressed data is invalid"}
	}
	plain, err := io.ReadAll(io.LimitReader(reader, maxInflated+1))
	if err != nil || len(plain) > maxInflated {
		return nil, &PayloadError{"its compressed data is invalid or too large"}
	}
	return plain, nil
}

// --- the SDK's converters --------------------------------------------------------------------

// dataConverter never waits inside a workflow. There it panics instead of returning an error: the
// workflow task fails and is retried. An error would fail the workflow, or drop a signal.
type dataConverter struct {
	converter.DataConverter
	inWorkflow converter.DataConverter
}

var _ workflow.ContextAware = (*dataConverter)(nil)

func (d *dataConverter) WithWorkflowContext(workflow.Context) converter.DataConverter {
	return &panicking{d.inWorkflow}
}

func (d *dataConverter) WithContext(context.Context) converter.DataConverter { return d }

type panicking struct{ converter.DataConverter }

func (p *panicking) ToPayload(value any) (*commonpb.Payload, error) {
	payload, err := p.DataConverter.ToPayload(value)
	return payload, check(err)
}

func (p *panicking) ToPayloads(values ...any) (*commonpb.Payloads, error) {
	payloads, err := p.DataConverter.ToPayloads(values...)
	return payloads, check(err)
}

func (p *panicking) FromPayload(payload *commonpb.Payload, value any) error {
	return check(p.DataConverter.FromPayload(payload, value))
}

func (p *panicking) FromPayloads(payloads *commonpb.Payloads, values ...any) error {
	return check(p.DataConverter.FromPayloads(payloads, values...))
}

func check(err error) error {
	var payload *PayloadError
	var unavailable *UnavailableError
	if errors.As(err, &payload) || errors.As(err, &unavailable) {
		panic(err)
	}
	return err
}

// failureConverter marks what no retry can heal: the SDK wraps errors of a codec as retryable.
type failureConverter struct{ converter.FailureConverter }

func (f *failureConverter) ErrorToFailure(err error) *failurepb.Failure {
	var permanent *PayloadError
	if errors.As(err, &permanent) {
		err = temporal.NewNonRetryableApplicationError(permanent.Error(), "PayloadError", nil)
	}
	return f.FailureConverter.ErrorToFailure(err)
}

// --- the ring and its life -------------------------------------------------------------------

type source struct {
	fetch     Fetch
	namespace string
	clock     func() time.Time

	lock   sync.Mutex
	held   *ring
	heldAt time.Time
	tried  time.Time     // the end of the latest fetch
	failed error         // how it ended
	flight chan struct{} // closed when the running fetch ends
}

// current returns the ring without waiting if one is held.
func (s *source) current(wait time.Duration) (*ring, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if held := s.usable(); held != nil {
		if s.due() {
			s.start()
		}
		return held, nil
	}
	if s.failed == nil || s.age(s.tried) >= cooldown {
		s.await(wait)
	}
	if held := s.usable(); held != nil {
		return held, nil
	}
	return nil, s.unavailable()
}

// opening returns the key of an id. An unknown id fetches the ring, but not soon after another try.
func (s *source) opening(id string, wait time.Duration) (*key, error) {
	held, err := s.current(wait)
	if err != nil {
		return nil, err
	}
	if key := held.keys[id]; key != nil {
		return key, nil
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.age(s.tried) >= cooldown && !s.await(wait) {
		return nil, s.unavailable()
	}
	if key := s.held.keys[id]; key != nil {
		return key, nil
	}
	if s.failed != nil {
		return nil, s.unavailable()
	}
	return nil, &PayloadError{"the key ring has no key of its id"}
}

func (s *source) unavailable() error {
	cause := s.failed
	if cause == nil {
		cause = errors.New("a fetch is running")
	}
	return &UnavailableError{cause}
}

func (s *source) usable() *ring {
	if s.held != nil && s.age(s.heldAt) < lastGood {
		return s.held
	}
	return nil
}

func (s *source) due() bool {
	if s.failed != nil {
		return s.age(s.tried) >= cooldown
	}
	return s.age(s.tried) >= fresh
}

func (s *source) age(then time.Time) time.Duration {
	if age := s.clock().Sub(then); age >= 0 {
		return age
	}
	return fresh // the clock was set back
}

// start begins a fetch unless one is running. The caller holds the lock.
func (s *source) start() chan struct{} {
	if s.flight == nil {
		s.flight = make(chan struct{})
		go s.refresh(s.flight)
	}
	return s.flight
}

// await fetches and says whether that ended in time. The caller holds the lock.
func (s *source) await(wait time.Duration) bool {
	flight := s.start()
	s.lock.Unlock()
	defer s.lock.Lock()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-flight:
		return true
	case <-timer.C:
		return false
	}
}

func (s *source) refresh(flight chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	fetched, err := s.load(ctx)
	s.lock.Lock()
	defer s.lock.Unlock()
	s.tried, s.failed, s.flight = s.clock(), err, nil
	if err == nil {
		s.held, s.heldAt = fetched, s.tried
	}
	close(flight)
}

func (s *source) load(ctx context.Context) (*ring, error) {
	text, err := s.fetch(ctx)
	if err != nil {
		return nil, err
	}
	fetched, err := parse(text, s.namespace)
	if err != nil {
		return nil, err
	}
	_, err = fetched.sealing(s.clock())
	return fetched, err
}

func (s *source) keepFresh(ctx context.Context) {
	for ticks := time.Tick(time.Second); ; {
		select {
		case <-ctx.Done():
			return
		case <-ticks:
			s.lock.Lock()
			if s.due() {
				s.start()
			}
			s.lock.Unlock()
		}
	}
}

type key struct {
	id     string
	active time.Time
	aead   cipher.AEAD
}

func (k *key) seal(payload *commonpb.Payload) (*commonpb.Payload, error) {
	plain, err := proto.Marshal(payload)
	if err != nil {
		return nil, err
	}
	size := k.aead.NonceSize()
	data := make([]byte, size, size+len(plain)+k.aead.Overhead())
	if _, err := rand.Read(data); err != nil {
		return nil, err
	}
	return &commonpb.Payload{
		Metadata: map[string][]byte{
			converter.MetadataEncoding: []byte(encrypted),
			keyID:                      []byte(k.id),
		},
		Data:             k.aead.Seal(data, data, plain, nil),
		ExternalPayloads: payload.GetExternalPayloads(),
	}, nil
}

type ring struct {
	keys    map[string]*key
	inOrder []*key
}

// sealing returns the key whose activation date is the latest that is past.
func (r *ring) sealing(now time.Time) (*key, error) {
	var latest *key
	for _, each := range r.inOrder {
		if !each.active.After(now) && (latest == nil || each.active.After(latest.active)) {
			latest = each
		}
	}
	if latest == nil {
		return nil, &UnavailableError{errors.New("the ring has no active key")}
	}
	return latest, nil
}

type entry struct {
	ID         string  `json:"id"`
	Key        string  `json:"key"`
	Activation string  `json:"activation_date"`
	Derive     *string `json:"derive"`
	Disabled   bool    `json:"disabled"`
}

func parse(text []byte, namespace string) (*ring, error) {
	var document struct {
		Keys *[]entry `json:"keys"`
	}
	if len(text) > maxRingBytes || json.Unmarshal(text, &document) != nil || document.Keys == nil {
		return nil, errors.New("the text is not a key ring")
	}
	parsed, seen := &ring{keys: map[string]*key{}}, map[string]bool{}
	for i, each := range *document.Keys {
		made, err := each.key(namespace)
		if err == nil && seen[each.ID] {
			err = errors.New("another key has this id")
		}
		if err != nil {
			return nil, fmt.Errorf("keys[%d]: %w", i, err)
		}
		seen[each.ID] = true
		if !each.Disabled {
			parsed.keys[each.ID] = made
			parsed.inOrder = append(parsed.inOrder, made)
		}
	}
	return parsed, nil
}

func (e *entry) key(namespace string) (*key, error) {
	secret, err := base64.StdEncoding.Strict().DecodeString(e.Key)
	if err != nil || len(secret) != 32 {
		return nil, errors.New("a key must have 32 bytes in base64")
	}
	active, err := time.Parse(time.RFC3339, e.Activation)
	if err != nil {
		return nil, errors.New("an activation_date must look like 2026-11-23T00:00:00Z")
	}
	if utf8.RuneCountInString(e.ID) > 255 || strings.ContainsFunc(e.ID, unicode.IsControl) {
		return nil, errors.New("an id must have at most 255 characters, and no control characters")
	}
	if e.Derive != nil {
		if *e.Derive != "namespace" {
			return nil, errors.New("derive must be namespace")
		}
		if secret, err = derive(secret, e.ID, namespace); err != nil {
			return nil, err
		}
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	return &key{e.ID, active, aead}, err
}

// derive makes the key of one namespace.
func derive(secret []byte, id, namespace string) ([]byte, error) {
	info := "temporal-codec/derive/v1\x00" + id + "\x00" + namespace
	return hkdf.Key(sha256.New, secret, nil, info, 32)
}

// --- where rings come from -------------------------------------------------------------------

// FromFile reads the ring in a file.
func FromFile(path string) Fetch {
	return func(context.Context) ([]byte, error) { return os.ReadFile(path) }
}

// FromSecretsManager reads the ring in a secret. Credentials and region are those of AWS's SDK.
func FromSecretsManager(name string) Fetch {
	made := sync.OnceValues(func() (*secretsmanager.Client, error) {
		settings, err := config.LoadDefaultConfig(context.Background(), config.WithRetryMaxAttempts(2))
		return secretsmanager.NewFromConfig(settings), err
	})
	return func(ctx context.Context) ([]byte, error) {
		secrets, err := made()
		if err != nil {
			return nil, err
		}
		answer, err := secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{
			SecretId: aws.String(name), VersionStage: aws.String("AWSCURRENT"),
		})
		if err != nil {
			return nil, err
		}
		return []byte(aws.ToString(answer.SecretString)), nil
	}
}

var (
	plainName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,254}$`)
	safeByte  = regexp.MustCompile(`^[A-Za-z0-9._-]$`)
)

// placeName is the form of a namespace in the name of a file or a secret.
func placeName(namespace string) string {
	if plainName.MatchString(namespace) {
		return namespace
	}
	var escaped strings.Builder
	for i := range len(namespace) {
		each := namespace[i : i+1]
		if safeByte.MatchString(each) && (i > 0 || each != "." && each != "-") {
			escaped.WriteString(each)
		} else {
			fmt.Fprintf(&escaped, "=%02X", each[0])
		}
	}
	if escaped.Len() > 200 {
		return fmt.Sprintf("=sha256=%x", sha256.Sum256([]byte(namespace)))
	}
	return escaped.String()
}
