# Serves moto's Step Functions, whose interpreter is LocalStack's, on a free port, which it
# prints, until standard input ends. What the Task states call it finds at MOTO_PORT.
import functools
import sys

from moto.core.config import default_user_config
from moto.server import ThreadedMotoServer
from moto.stepfunctions.parser.asl.component.common.path import result_path
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.parse.preprocessor import Preprocessor
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_sfn import StateTaskServiceSfn
from moto.stepfunctions.parser.asl.utils import json_path
from moto.stepfunctions.parser.backend import execution_worker
from moto.stepfunctions.parser.backend.execution import Execution

default_user_config["stepfunctions"] = {"execute_state_machine": True}

# To start an execution it copies those before it, which cannot be done while one runs.
Execution.__deepcopy__ = lambda self, memo: self


# LocalStack translates between a definition's StateMachineArn and the API's stateMachineArn
# in a part that moto has not taken over.
def start_nested(self, env, resource_runtime_part, normalised_parameters, state_credentials):
    translated = {name[0].lower() + name[1:]: value for name, value in normalised_parameters.items()}
    start(self, env, resource_runtime_part, translated, state_credentials)
    env.stack[-1] = {name[0].upper() + name[1:]: value for name, value in env.stack[-1].items()}


start = StateTaskServiceSfn._eval_service_task
StateTaskServiceSfn._eval_service_task = start_nested


# It parses each path again whenever it is followed, and the definition for each execution:
# seconds each time.
for module in (json_path, result_path):
    module.parse = functools.lru_cache(maxsize=None)(module.parse)


class Parser(AmazonStateLanguageParser):
    trees = {}

    @staticmethod
    def parse(definition):
        if definition not in Parser.trees:
            Parser.trees[definition] = AmazonStateLanguageParser.parse(definition)[1]
        tree = Parser.trees[definition]
        return Preprocessor().visit(tree), tree


execution_worker.AmazonStateLanguageParser = Parser

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
server.stop()
