package ringcodec

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

const zeros = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

func codecOf(text, namespace string) (*Codec, error) {
	fetch := func(context.Context) ([]byte, error) { return []byte(text), nil }
	return New(context.Background(), fetch, namespace, time.Now)
}

func keyOf(id, date, more string) string {
	return fmt.Sprintf(`{"id": %q, "key": %q, "activation_date": %q%s}`, id, zeros, date, more)
}

func ringOf(keys ...string) string { return `{"keys": [` + strings.Join(keys, ",") + `]}` }

// The key of each namespace is that of the other languages.
func TestVectors(t *testing.T) {
	files, _ := filepath.Glob("../../tests/vectors/derive-*.json")
	if len(files) == 0 {
		t.Fatal("there are no vectors")
	}
	for _, file := range files {
		var vector struct {
			Key, Derived          []byte
			ID, Namespace         string
			Ring, Request, Expect json.RawMessage
		}
		text, _ := os.ReadFile(file)
		if err := json.Unmarshal(text, &vector); err != nil {
			t.Fatal(err)
		}
		own, err := derive(vector.Key, vector.ID, vector.Namespace)
		if err != nil || !bytes.Equal(own, vector.Derived) {
			t.Error(file, "has another derived key", err)
		}
		var request, expect commonpb.Payloads
		if err := errors.Join(
			protojson.Unmarshal(vector.Request, &request), protojson.Unmarshal(vector.Expect, &expect),
		); err != nil {
			t.Fatal(err)
		}
		codec, err := codecOf(string(vector.Ring), vector.Namespace)
		if err != nil {
			t.Fatal(file, err)
		}
		opened, err := codec.Decode(request.Payloads)
		if err != nil || !proto.Equal(opened[0], expect.Payloads[0]) {
			t.Error(file, "gives", opened, err)
		}
	}
}

// The latest date that is past seals; a disabled key and one of the future do not.
func TestActiveKey(t *testing.T) {
	codec, err := codecOf(ringOf(
		keyOf("old", "2024-01-01T00:00:00Z", ""),
		keyOf("new", "2025-01-01T00:00:00+01:00", `, "unknown": {}`),
		keyOf("off", "2025-06-01T00:00:00Z", `, "disabled": true`),
		keyOf("future", "2999-01-01T00:00:00Z", ""),
	), "orders")
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := codec.Encode([]*commonpb.Payload{{}})
	if err != nil || string(sealed[0].Metadata[keyID]) != "new" {
		t.Error(sealed, err)
	}
}

// A ring that cannot be trusted is no ring.
func TestInvalidRings(t *testing.T) {
	date := "2024-01-01T00:00:00Z"
	for _, text := range []string{
		"[]", "{}", ringOf(),
		ringOf(keyOf("a", date, ""), keyOf("a", date, "")),
		ringOf(keyOf("a", "2024-01-01", "")),
		ringOf(keyOf("a", date, `, "derive": "other"`)),
		ringOf(keyOf("a", date, `, "disabled": 1`)),
		strings.Replace(ringOf(keyOf("a", date, "")), zeros, "AAAA", 1),
	} {
		var unavailable *UnavailableError
		if _, err := codecOf(text, "orders"); !errors.As(err, &unavailable) {
			t.Error(text, err)
		}
	}
}

// A workflow never waits: a key that it lacks is a fault that the next task can find healed.
func TestAWorkflowNeverWaits(t *testing.T) {
	text, release := ringOf(keyOf("a", "2024-01-01T00:00:00Z", "")), make(chan struct{})
	now, calls := time.Now(), 0
	fetch := func(context.Context) ([]byte, error) {
		if calls++; calls > 1 {
			<-release
		}
		return []byte(text), nil
	}
	codec, err := New(t.Context(), fetch, "orders", func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Minute)
	var unavailable *UnavailableError
	if _, err := codec.ring.opening("b", 0); !errors.As(err, &unavailable) {
		t.Error(err)
	}
	close(release)
}

// A namespace has a form in the name of a file or a secret.
func TestPlaceNames(t *testing.T) {
	for name, place := range map[string]string{
		"orders-prod.a1b2c": "orders-prod.a1b2c", "../orders": "=2E.=2Forders", "grö=": "gr=C3=B6=3D",
	} {
		if placeName(name) != place {
			t.Error(name, placeName(name))
		}
	}
	if len(placeName(strings.Repeat("ö", 100))) != 72 {
		t.Error("a long name has no hash")
	}
}
