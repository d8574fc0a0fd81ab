// Command worker runs, or starts, a workflow that seals as docs/format.md says.
//
//	worker work ADDRESS QUEUE READY   works until it is killed; makes the file READY at first
//	worker start ADDRESS QUEUE TEXT   starts a workflow and prints its result
package main

import (
	"context"
	"log"
	"os"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"temporal-codec/interop/sealed"
)

func main() {
	temporal, err := connect(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	defer temporal.Close()
	run := work
	if os.Args[1] == "start" {
		run = start
	}
	if err := run(temporal, os.Args[3], os.Args[4]); err != nil {
		log.Fatal(err)
	}
}

func connect(address string) (client.Client, error) {
	codec, err := sealed.New()
	if err != nil {
		return nil, err
	}
	inner := converter.GetDefaultDataConverter()
	return client.Dial(client.Options{
		HostPort:      address,
		DataConverter: converter.NewCodecDataConverter(inner, codec),
	})
}

func work(temporal client.Client, queue, ready string) error {
	working := worker.New(temporal, queue, worker.Options{})
	working.RegisterWorkflowWithOptions(greet, workflow.RegisterOptions{Name: "Greet"})
	working.RegisterActivity(compose)
	if err := working.Start(); err != nil {
		return err
	}
	if err := os.WriteFile(ready, nil, 0o600); err != nil {
		return err
	}
	<-worker.InterruptCh()
	working.Stop()
	return nil
}

func start(temporal client.Client, queue, text string) error {
	options := client.StartWorkflowOptions{TaskQueue: queue}
	run, err := temporal.ExecuteWorkflow(context.Background(), options, "Greet", text)
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
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 30 * time.Second,
	})
	var composed string
	if err := workflow.ExecuteActivity(ctx, compose, name).Get(ctx, &composed); err != nil {
		return "", err
	}
	var signalled string
	workflow.GetSignalChannel(ctx, "note").Receive(ctx, &signalled)
	return composed + ", " + signalled, nil
}

func compose(_ context.Context, name string) (string, error) {
	return "go-result of " + name, nil
}
