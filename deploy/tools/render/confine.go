package main

import (
	"errors"
	"io"
	"log"
	"net/http"
	"os"
	"runtime/debug"
	"syscall"
)

// refuse answers every HTTP request of the library: a tree is complete or it is wrong.
type refuse struct{}

func (refuse) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("remote resources are not fetched: put the file into the source")
}

// crashes keeps the stream open on which the runtime writes why the process dies: a file nobody refers to is closed.
var crashes = os.Stderr

// confine takes away what a tree could misuse and returns the two streams that carry frames.
//
//  1. Frames get streams of their own: what the library prints must not get between them.
//  2. The library would fetch an http resource, and look up variables and programs (git, helm, docker) by environment.
//  3. No file or socket can be opened from here on, so that what 2 does not know of fails too.
//  4. Memory: the collector works harder from four fifths of the limit on, and the kernel refuses what is beyond it.
//     The limit counts writable private memory only. An address space limit would refuse what Go merely reserves.
func confine(memory int64) (io.Reader, io.Writer, error) {
	in, out := os.Stdin, os.Stdout
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	os.Stdin, os.Stdout, os.Stderr = null, null, null
	log.SetOutput(io.Discard)

	http.DefaultTransport = refuse{}
	os.Clearenv()

	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 0, Max: 0}); err != nil {
		return nil, nil, err
	}
	// What lives on is a schema of some megabytes; collecting less often saves a fifth of the time for 10 MB.
	debug.SetGCPercent(300)
	if memory > 0 {
		debug.SetMemoryLimit(memory / 5 * 4)
		limit := syscall.Rlimit{Cur: uint64(memory), Max: uint64(memory)}
		if err := syscall.Setrlimit(syscall.RLIMIT_DATA, &limit); err != nil {
			return nil, nil, err
		}
	}
	return in, out, nil
}
