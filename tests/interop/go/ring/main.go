// Command ring uses the ring reader of examples/go as the tests ask.
//
//	ring lines URI NAMESPACE                 answers requests, one JSON object a line: {"encode":
//	                                         PAYLOADS}, {"decode": PAYLOADS}, {"advance": SECONDS}
//	ring work URI ADDRESS QUEUE READY SPEED  works until it is killed; makes the file READY at
//	                                         first; the ring's clock is SPEED times as fast
//	ring start URI ADDRESS QUEUE TEXT        starts a workflow and prints its result
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strconv"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/encoding/protojson"

	"ringcodec"
)

func main() {
	run := map[string]func([]string) error{"lines": lines, "work": work, "start": start}[os.Args[1]]
	if err := run(os.Args[2:]); err != nil {
		log.Fatal(err)
	}
}

func open(uri, namespace string, clock func() time.Time) (*ringcodec.Codec, error) {
	fetch := ringcodec.FromFile(strings.TrimPrefix(uri, "file:"))
	if name, ok := strings.CutPrefix(uri, "secretsmanager:"); ok {
		fetch = ringcodec.FromSecretsManager(name)
	}
	return ringcodec.New(context.Background(), fetch, namespace, clock)
}

// --- requests by line ------------------------------------------------------------------------

type request struct {
	Encode, Decode json.RawMessage
	Advance        float64
}

func lines(arguments []string) error {
	var ahead time.Duration
	clock := func() time.Time { return time.Now().Add(ahead) }
	codec, err := open(arguments[0], arguments[1], clock)
	if err != nil {
		return err
	}
	for read := bufio.NewReader(os.Stdin); ; {
		line, err := read.ReadBytes('\n')
		if err == io.EOF {
			return nil
		}
		var asked request
		if err := json.Unmarshal(line, &asked); err != nil {
			return err
		}
		ahead += time.Duration(asked.Advance * float64(time.Second))
		fmt.Println(answer(codec, asked))
	}
}

func answer(codec *ringcodec.Codec, asked request) string {
	text, run := asked.Encode, codec.Encode
	if asked.Decode != nil {
		text, run = asked.Decode, codec.Decode
	}
	if text == nil {
		return "{}"
	}
	var payloads commonpb.Payloads
	err := protojson.Unmarshal(text, &payloads)
	if err == nil {
		payloads.Payloads, err = run(payloads.Payloads)
	}
	if err != nil {
		return fault(err)
	}
	written, _ := protojson.Marshal(&payloads)
	return string(written)
}

func fault(err error) string {
	kind := "transient"
	if permanent := new(ringcodec.PayloadError); errors.As(err, &permanent) {
		kind = "permanent"
	}
	written, _ := json.Marshal(map[string]string{"fault": kind, "message": err.Error()})
	return string(written)
}

// --- a worker and a starter ------------------------------------------------------------------

func connect(uri, address string, clock func() time.Time) (client.Client, error) {
	codec, err := open(uri, client.DefaultNamespace, clock)
	if err != nil {
		return nil, err
	}
	return client.Dial(codec.Options(client.Options{HostPort: address}))
}

func work(arguments []string) error {
	speed, _ := strconv.ParseFloat(arguments[4], 64)
	began := time.Now()
	connected, err := connect(arguments[0], arguments[1], func() time.Time {
		return began.Add(time.Duration(speed * float64(time.Since(began))))
	})
	if err != nil {
		return err
	}
	working := worker.New(connected, arguments[2], worker.Options{})
	working.RegisterWorkflowWithOptions(greet, workflow.RegisterOptions{Name: "Greet"})
	working.RegisterActivity(compose)
	if err := working.Start(); err != nil {
		return err
	}
	if err := os.WriteFile(arguments[3], nil, 0o600); err != nil {
		return err
	}
	<-worker.InterruptCh()
	working.Stop()
	return nil
}

func start(arguments []string) error {
	connected, err := connect(arguments[0], arguments[1], time.Now)
	if err != nil {
		return err
	}
	options := client.StartWorkflowOptions{TaskQueue: arguments[2], ID: arguments[2]}
	run, err := connected.ExecuteWorkflow(context.Background(), options, "Greet", arguments[3])
	if err != nil {
		return err
	}
	var result string
	if err := run.Get(context.Background(), &result); err != nil {
		return err
	}
	_, err = os.Stdout.WriteString(result)
	return err
}

func greet(ctx workflow.Context, name string) (string, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 30 * time.Second})
	var composed string
	if err := workflow.ExecuteActivity(ctx, compose, name).Get(ctx, &composed); err != nil {
		return "", err
	}
	var signalled string
	workflow.GetSignalChannel(ctx, "note").Receive(ctx, &signalled)
	return composed + ", " + signalled, nil
}

func compose(_ context.Context, name string) (string, error) {
	if name == "fail" {
		return "", temporal.NewNonRetryableApplicationError("canary", "Canary", nil)
	}
	return "go-result of " + name, nil
}
