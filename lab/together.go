package lab

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// lead is how long before a common moment the order to ask goes out: enough for
// every process to wake and wait for it.
const lead = time.Millisecond

// Together lets every requester make its call at the same moment, or up to
// jitter after it. Answer i belongs to question i.
func Together(ctx context.Context, jitter time.Duration, asks ...Ask) ([]Answer, error) {
	start := time.Now().Add(lead)
	answers, errs := make([]Answer, len(asks)), make([]error, len(asks))
	var wg sync.WaitGroup
	for i, a := range asks {
		at := start
		if jitter > 0 {
			at = at.Add(rand.N(jitter))
		}
		wg.Go(func() {
			all, err := a.By.AskAll(ctx, at, [][]Question{{a.Question}})
			if errs[i] = err; err == nil {
				answers[i] = all[0][0]
			}
		})
	}
	wg.Wait()
	return answers, errors.Join(errs...)
}

// Ask is one requester's part in Together.
type Ask struct {
	By       *Requester
	Question Question
}
