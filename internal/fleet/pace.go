package fleet

import "time"

// A fleet begins so many rotations a second as use its budget of writes: each item of the
// Map waits for its own time. So the budget holds on average, and not in every second:
// rotations that began at different times may write in the same one. To hold it in every
// second there may be no more rotations at once than may write in one, and then half of
// the budget is used, and less the longer a rotation takes.

// lead is for how many seconds' worth of items there may be at once, waiting or rotating:
// rotations that take longer, such as those of a database that does not answer, slow the
// fleet down.
const lead = 10

// Concurrency is how many items of a wave there are at once.
func (r Request) Concurrency() int { return max(1, r.Budget*lead/WritesPerRotation) }

// pace gives the items of a wave the times at which they begin. They make up for what the
// budget was not used for since the last wave's last one began, by at most a quarter more
// a second.
func (r *run) pace(items []Item) []Item {
	now := r.Now().UTC()
	each := WritesPerRotation * time.Second / time.Duration(r.request.Budget)
	span := each * time.Duration(len(items))
	if last := r.Fleet.Wave.Items; len(last) > 0 {
		span -= min(max(now.Sub(last[len(last)-1].StartAt)-each, 0), span/5)
	}
	for i := range items {
		after := span * time.Duration(i) / time.Duration(len(items))
		items[i].StartAt = now.Add(after).Truncate(time.Millisecond)
	}
	return items
}
