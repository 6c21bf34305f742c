// Package explorer goes through everything that can happen to a rotation, within
// bounds, and checks the promises of docs/guarantees.md in every state.
//
// It runs the real steps of package rotation and the real
// statemachine/rotation.asl.json on a secret, a database and a clock that are data
// in memory. Between any two calls of AWS or of the database anything may happen
// that the scope allows: another rotation goes on, a function dies, an answer is
// lost, a statement waits for a lock and is carried out late, a person moves a label
// or changes a password, an execution is stopped and redriven, the window closes.
// After that everything late arrives, and the next rotations have to repair what is
// left. It enumerates and does not sample: scopes bound how much may go wrong at
// once, not what.
//
//	go test ./proof/explorer -v              # prints the number of states of each scope
//	go test ./proof/explorer -v -deep        # lets more go wrong at once, for half an hour
//	go test ./proof/explorer -run TestReplay -v -scope single/faults -replay 8=6,12=2
//
// The last shows what happens in a schedule: at its eighth choice the sixth
// alternative, and so on, and otherwise the first, that nothing disturbs.
//
//   - world.go, step.go: a state, and what can happen next in it
//   - secret.go, database.go, op.go, trouble.go, people.go: what calls do, and what
//     goes wrong
//   - actor.go, oracle.go, client.go, template.go: rotations, and what they want next
//   - promises.go: what has to hold
//   - search.go, scenario.go, scopes.go: the search and its bounds
package explorer
