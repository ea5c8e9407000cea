"""Every attack there is."""

from hostile.bombs import BOMBS
from hostile.interpreter import INTERPRETER
from hostile.ipc import IPC
from hostile.kernel import KERNEL
from hostile.labels import LABELS
from hostile.memory import MEMORY
from hostile.network import NETWORK
from hostile.protocol import PROTOCOL
from hostile.secret_keys import SECRET_KEYS
from hostile.signals import SIGNALS
from hostile.submission import SUBMISSION
from hostile.survivors import SURVIVORS

ATTACKS = (
    *LABELS, *MEMORY, *SECRET_KEYS, *NETWORK, *IPC, *SURVIVORS, *BOMBS, *SIGNALS, *PROTOCOL, *SUBMISSION,
    *INTERPRETER, *KERNEL,
)  # fmt: skip
BY_NAME = {attack.name: attack for attack in ATTACKS}
if len(BY_NAME) != len(ATTACKS):
    raise ValueError("two attacks have the same name")
