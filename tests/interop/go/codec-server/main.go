// Command codec-server is the Go SDK's own remote codec handler around the sealed codec.
//
//	codec-server serve ADDRESS   serves it over HTTP
//	codec-server time FOLDER     times the handler itself: for each line "OPERATION CASE ROUNDS" of
//	                             stdin it answers with microseconds of CPU for one request, whose
//	                             body is the file OPERATION-CASE of the folder
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"go.temporal.io/sdk/converter"

	"temporal-codec/interop/sealed"
)

func main() {
	codec, err := sealed.New()
	if err != nil {
		log.Fatal(err)
	}
	handler := converter.NewPayloadCodecHTTPHandler(codec)
	if os.Args[1] == "serve" {
		log.Fatal(http.ListenAndServe(os.Args[2], handler))
	}
	if err := answer(handler, os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

func answer(handler http.Handler, folder string) error {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var operation, name string
		var rounds int
		if _, err := fmt.Sscan(lines.Text(), &operation, &name, &rounds); err != nil {
			return err
		}
		body, err := os.ReadFile(filepath.Join(folder, operation+"-"+name))
		if err != nil {
			return err
		}
		if status := request(handler, operation, body); status != http.StatusOK {
			return fmt.Errorf("%s answered %d", lines.Text(), status)
		}
		before := cpu()
		for range rounds {
			request(handler, operation, body)
		}
		fmt.Println(float64((cpu() - before).Nanoseconds()) / 1e3 / float64(rounds))
	}
	return nil
}

func request(handler http.Handler, operation string, body []byte) int {
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, &http.Request{
		Method: http.MethodPost,
		URL:    &url.URL{Path: "/" + operation},
		Body:   io.NopCloser(bytes.NewReader(body)),
	})
	return answer.Code
}

// cpu is what this process has used, its garbage collector's part included.
func cpu() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		log.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
