package asl

// guard is Retry and Catch, of whatever state has them (ASL: "Errors").
type guard struct {
	retry []*retrier
	catch []*catcher
}

func (g *guard) targets() []string {
	var t []string
	for _, c := range g.catch {
		t = append(t, c.next)
	}
	return t
}

// run makes attempts until one succeeds or the retriers are used up, and then
// looks for a catcher. attempt returns a failure that they may handle, or an
// error that ends the execution.
func (g *guard) run(x *execution, raw any, attempt func() (any, *Failure, error)) (any, string, error) {
	used := make([]int, len(g.retry)) // retries made, by retrier
	for {
		out, failure, err := attempt()
		if err != nil {
			return nil, "", err
		}
		if failure == nil {
			return out, "", nil
		}
		if i := g.retrierFor(failure.Name); i >= 0 && used[i] < g.retry[i].maxAttempts {
			used[i]++
			x.retries++
			jitter := 1.0
			if g.retry[i].jitter {
				jitter = x.Jitter()
			}
			if x.Clock.Sleep(x.ctx, g.retry[i].delay(used[i], jitter)) != nil {
				return nil, "", errInterrupted
			}
			if err := x.interrupted(); err != nil {
				return nil, "", err
			}
			continue
		}
		return g.fallBack(raw, failure)
	}
}

// retrierFor is the first that matches: a later one never takes over when its
// attempts are used up.
func (g *guard) retrierFor(name string) int {
	for i, r := range g.retry {
		if matches(r.errors, name) {
			return i
		}
	}
	return -1
}

func (g *guard) fallBack(raw any, failure *Failure) (any, string, error) {
	for _, c := range g.catch {
		if !matches(c.errors, failure.Name) {
			continue
		}
		// Step Functions gives an empty Cause where there is none.
		out, f := c.resultPath.place(raw, makeObject("Error", failure.Name, "Cause", failure.Cause))
		if f != nil {
			return nil, "", f
		}
		return out, c.next, nil
	}
	return nil, "", failure
}

func (g *guard) info() (retry []RetryInfo, catch []CatchInfo) {
	for _, r := range g.retry {
		retry = append(retry, RetryInfo{r.errors, r.maxAttempts, r.delay})
	}
	for _, c := range g.catch {
		catch = append(catch, CatchInfo{c.errors, c.next})
	}
	return retry, catch
}
