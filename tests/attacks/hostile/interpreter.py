"""Sabotaging the interpreter that others use."""

from hostile.record import Attack, Off


def _attack(name: str, aim: str, code: str, won: str, off: Off = Off.USER) -> Attack:
    return Attack(name=name, family="interpreter sabotage", aim=aim, code=code, won=won, off=off)


INTERPRETER = (
    _attack(
        "library_edited",
        "edit an installed module",
        "open('<<library>>/shared_helper.py', 'a').write('# <<token>>')",
        "library_changed",
    ),
    _attack(
        "start_file_added",
        "add a file that every interpreter runs when it starts",
        "open('<<library>>/zz_start.pth', 'w').write('import sys # <<token>>')",
        "library_changed",
    ),
    _attack(
        "bytecode_planted",
        "plant compiled code beside a module",
        "os.makedirs('<<library>>/__pycache__', exist_ok=True)\n"
        "open('<<library>>/__pycache__/shared_helper.cpython-311.pyc', 'wb').write(b'<<token>>')",
        "library_changed",
    ),
    _attack(
        "library_replaced",
        "put another file in the place of a module",
        "open('mine', 'w').write('def answer(): return \"<<token>>\"')\n"
        "import shutil; shutil.copyfile('mine', 'mine2'); os.replace('mine2', '<<library>>/shared_helper.py')",
        "library_changed",
    ),
    _attack(
        "builtins_patched",
        "replace a built-in function for whoever comes next",
        "'<<library>>'\nimport builtins\nbuiltins.sorted = lambda *a, **k: '<<token>>'",
        "poisoned",
        Off.BARE,
    ),
    _attack(
        "module_patched",
        "replace a function of a library for whoever comes next",
        "'<<library>>'\nimport json\njson.dumps = lambda *a, **k: '<<token>>'",
        "poisoned",
        Off.BARE,
    ),
    _attack(
        "module_shadowed",
        "put a module of its own before an installed one",
        "'<<library>>'\nimport types\nmine = sys.modules['shared_helper'] = types.ModuleType('shared_helper')\n"
        "mine.answer = lambda: '<<token>>'",
        "poisoned",
        Off.BARE,
    ),
    _attack(
        "working_directory_moved",
        "move to another directory for whoever comes next",
        "'<<library>>'\nopen('shared_helper.py', 'w').write('def answer(): return \"<<token>>\"')\n"
        "sys.path.insert(0, os.getcwd()); sys.modules.pop('shared_helper', None)",
        "poisoned",
        Off.BARE,
    ),
    _attack(
        "output_replaced",
        "answer for every later print",
        "'<<library>>'\nclass Mine:\n    def write(self, text): os.write(1, b'<<token>>\\n')\n"
        "    def flush(self): pass\n"
        "sys.stdout = Mine()",
        "poisoned",
        Off.BARE,
    ),
    _attack(
        "integers_smashed",
        "change a number that all code shares",
        "'<<library>>'\nctypes.memmove(id(42) + 24, struct.pack('i', 7), 4)",
        "poisoned",
        Off.BARE,
    ),
    _attack(
        "trace_left",
        "be called at every line of whoever comes next",
        "'<<library>>'\nsys.settrace(lambda frame, event, arg: (_ for _ in ()).throw(SystemExit()))",
        "poisoned",
        Off.BARE,
    ),
)
