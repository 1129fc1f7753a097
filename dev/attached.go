package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/auditferry/auditferry/dev/stack"
)

// apiTimeout is how long seedAttached waits for an API that may still be
// waiting for its database.
const apiTimeout = 5 * time.Minute

// clouds runs the cloud simulator alone, in front of servers that somebody
// else runs, until ctx ends.
func clouds(ctx context.Context, args []string) (err error) {
	s, err := attach(ctx, args)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	if err := s.StartClouds(ctx); err != nil {
		return err
	}
	fmt.Println("The cloud admin's page is", s.CloudAdmin)
	<-ctx.Done()
	return nil
}

// seedAttached fills a product that somebody else runs and tells where
// everything is.
func seedAttached(ctx context.Context, args []string) (err error) {
	began := time.Now()
	s, err := attach(ctx, args)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	if err := s.AwaitAPI(ctx); err != nil {
		return err
	}
	seeded, err := seed(ctx, s, filepath.Join(args[0], "seed.json"))
	if err != nil {
		return err
	}
	return welcome(os.Stdout, s, seeded, time.Since(began))
}

func attach(ctx context.Context, args []string) (*stack.Stack, error) {
	if len(args) != 1 {
		return nil, errors.New("name the one directory that keeps the state")
	}
	return stack.Attach(ctx, args[0])
}
