// npm's aws-local-stepfunctions, for those who run a definition on it.
'use strict';

// The package wants Node 22.
Promise.withResolvers ??= function () {
  let resolve, reject;
  const promise = new Promise((yes, no) => { resolve = yes; reject = no; });
  return { promise, resolve, reject };
};

const { StateMachine } = require('aws-local-stepfunctions');

class TaskError extends Error {
  constructor(name, cause) {
    super(cause);
    this.name = name;
  }
}

// Also the states inside a Map or a Parallel.
function everyState(states) {
  return Object.entries(states).flatMap(([name, state]) =>
    [[name, state], ...everyState(state.ItemProcessor?.States ?? {}), ...inBranches(state)]);
}

function inBranches(state) {
  return (state.Branches ?? []).flatMap((branch) => everyState(branch.States));
}

module.exports = { StateMachine, TaskError, everyState, inBranches };
