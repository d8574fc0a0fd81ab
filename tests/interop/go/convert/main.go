// Command convert reads payloads as JSON from stdin, decodes or encodes them with the sealed
// codec, and writes them to stdout: convert decode|encode.
package main

import (
	"io"
	"log"
	"os"

	commonpb "go.temporal.io/api/common/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"temporal-codec/interop/sealed"
)

func main() {
	if err := convert(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func convert(operation string) error {
	codec, err := sealed.New()
	if err != nil {
		return err
	}
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	var payloads commonpb.Payloads
	if err := protojson.Unmarshal(text, &payloads); err != nil {
		return err
	}
	run := codec.Decode
	if operation == "encode" {
		run = codec.Encode
	}
	if payloads.Payloads, err = run(payloads.Payloads); err != nil {
		return err
	}
	if text, err = protojson.Marshal(&payloads); err != nil {
		return err
	}
	_, err = os.Stdout.Write(text)
	return err
}
