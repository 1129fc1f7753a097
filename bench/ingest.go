package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

const (
	ingestBatch = 1_000 // events per request
	ingestMade  = 64    // different requests; they are sent again and again

	ingestOneOrg   = "4 clients of one organization"
	ingestManyOrgs = "4 organizations with a client each"
)

// ingestFor is how long each way of sending is measured, after a warm-up.
func (p plan) ingestFor() time.Duration {
	if p.full() {
		return 20 * time.Second
	}
	return 5 * time.Second
}

// ingest measures events/s through the HTTP API, with clients that send the
// next batch when they have the answer to the last one.
func (b *bench) ingest(ctx context.Context) error {
	batches, err := b.batches()
	if err != nil {
		return err
	}
	for _, way := range []struct {
		name          string
		orgs, clients int
	}{
		{"1 client", 1, 1},
		{ingestOneOrg, 1, 4},
		{ingestManyOrgs, 4, 1},
	} {
		if err := b.ingestBy(ctx, way.name, way.orgs, way.clients, batches); err != nil {
			return fmt.Errorf("%s: %w", way.name, err)
		}
	}
	return nil
}

// batches are the bodies of requests, made before the clock runs.
func (b *bench) batches() ([][]byte, error) {
	batches := make([][]byte, ingestMade)
	for i := range batches {
		for n := range ingestBatch {
			line, err := b.corpus.Product(int64(i*ingestBatch+n), b.began)
			if err != nil {
				return nil, err
			}
			batches[i] = append(append(batches[i], line...), '\n')
		}
	}
	return batches, nil
}

func (b *bench) ingestBy(ctx context.Context, name string, orgs, clients int, batches [][]byte) error {
	var keys []string
	for range orgs {
		_, product, err := b.vendor.Welcome(ctx, "Ingest", "admin@ingest.example")
		if err != nil {
			return err
		}
		for range clients {
			keys = append(keys, product.Key())
		}
	}
	transport := &http.Transport{MaxIdleConnsPerHost: len(keys)}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: time.Minute}
	if _, err := b.sendFor(ctx, client, keys, batches, b.plan.ingestFor()/5); err != nil { // warm-up
		return err
	}
	m, err := b.meter()
	if err != nil {
		return err
	}
	began := time.Now()
	sent, err := b.sendFor(ctx, client, keys, batches, b.plan.ingestFor())
	if err != nil {
		return err
	}
	wall := time.Since(began)
	used, err := m.spent()
	var size int64
	for _, batch := range batches {
		size += int64(len(batch))
	}
	f := b.book.page(sectionIngest, name, "")
	f.samples = append(f.samples, sample{
		events: sent * ingestBatch, raw: sent * size / ingestMade, wall: wall, usage: used,
	})
	return err
}

// sendFor sends for so long, one client for each key, and counts the requests
// that were answered.
func (b *bench) sendFor(ctx context.Context, client *http.Client, keys []string, batches [][]byte, long time.Duration) (int64, error) {
	var sent atomic.Int64
	until := time.Now().Add(long)
	group, ctx := errgroup.WithContext(ctx)
	for i, key := range keys {
		group.Go(func() error {
			for n := i * ingestMade / len(keys); time.Now().Before(until); n++ {
				if err := b.send(ctx, client, key, batches[n%ingestMade]); err != nil {
					return err
				}
				sent.Add(1)
			}
			return nil
		})
	}
	err := group.Wait()
	return sent.Load(), err
}

func (b *bench) send(ctx context.Context, client *http.Client, key string, batch []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, b.stack.API.URL+"/v1/events", bytes.NewReader(batch))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Content-Type", "application/x-ndjson")
	request.Header.Set("Idempotency-Key", uuid.NewString())
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // read to its end below
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= http.StatusBadRequest {
		err = fmt.Errorf("%s: %s", response.Status, answer)
	}
	return err
}
