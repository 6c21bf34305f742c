package fleet

import "time"

// A fleet starts as many rotations per second as use its budget of writes: each item of
// the Map waits for its own start time. The budget is therefore an average: rotations that
// started at different times may write in the same second. To keep it in every second, no
// more rotations could run at once than may write in one second, which uses half of the
// budget, and less the longer a rotation takes (docs/decisions/0026).

// lead limits the items that wait or rotate at once, in seconds of the budget. Rotations
// that take longer, such as those of a database that does not answer, slow the fleet down.
const lead = 10

// Concurrency is the maximum number of items of a wave at once.
func (r Request) Concurrency() int { return max(1, r.Budget*lead/WritesPerRotation) }

// pace sets the start times of a wave's items, in order. They are up to a quarter closer
// together than the budget says, to make up for the time since the last item of the
// previous wave started, in which nothing did.
func (r *run) pace(items []Item) []Item {
	now := r.Now().UTC()
	each := WritesPerRotation * time.Second / time.Duration(r.request.Budget)
	span := each * time.Duration(len(items))
	if last := r.Fleet.Wave.Items; len(last) > 0 {
		span -= min(max(now.Sub(last[len(last)-1].StartAt)-each, 0), span/5)
	}
	for i := range items {
		after := span * time.Duration(i) / time.Duration(len(items))
		items[i].StartAt = now.Add(after).Truncate(time.Second) // as Wait does
	}
	return items
}
