// Command greet is a worker and a starter whose payloads are encrypted with a key ring.
//
//	greet work RING          works until it is interrupted
//	greet start RING NAME    starts a workflow and prints its result
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"ringcodec"
)

const queue = "greet-go"

func main() {
	if len(os.Args) < 3 {
		log.Fatal("usage: greet work RING | greet start RING NAME")
	}
	codec, err := ringcodec.Open(context.Background(), os.Args[2], client.DefaultNamespace)
	if err != nil {
		log.Fatal(err)
	}
	// TEMPORAL_ADDRESS is localhost:7233 by default.
	options := client.Options{HostPort: os.Getenv("TEMPORAL_ADDRESS")}
	temporal, err := client.Dial(codec.Options(options))
	if err != nil {
		log.Fatal(err)
	}
	defer temporal.Close()
	if os.Args[1] == "start" {
		err = start(temporal, os.Args[3])
	} else {
		err = work(temporal)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func work(temporal client.Client) error {
	working := worker.New(temporal, queue, worker.Options{})
	working.RegisterWorkflow(Greet)
	working.RegisterActivity(Compose)
	return working.Run(worker.InterruptCh())
}

func start(temporal client.Client, name string) error {
	options := client.StartWorkflowOptions{ID: "greet-go", TaskQueue: queue}
	run, err := temporal.ExecuteWorkflow(context.Background(), options, Greet, name)
	if err != nil {
		return err
	}
	var result string
	if err := run.Get(context.Background(), &result); err != nil {
		return err
	}
	fmt.Println(result)
	return nil
}

// Greet is a workflow with one activity.
func Greet(ctx workflow.Context, name string) (string, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
	var greeting string
	err := workflow.ExecuteActivity(ctx, Compose, name).Get(ctx, &greeting)
	return greeting, err
}

// Compose is an activity.
func Compose(_ context.Context, name string) (string, error) {
	return "Hello, " + name + "!", nil
}
