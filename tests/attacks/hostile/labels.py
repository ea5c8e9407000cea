"""Getting at the labels, which lie beside the public files on the host."""

from hostile.record import Attack


def _attack(name: str, aim: str, code: str, won: str = "secret", needs: str = "") -> Attack:
    return Attack(name=name, family="labels", aim=aim, code=code, won=won, needs=needs)


LABELS = (
    _attack("answers_by_path", "open the answers by their path", "print(open('<<answers>>').read())"),
    _attack(
        "answers_beside_data",
        "go up from the public files",
        "print(open('data/../private/answers.csv').read())",
    ),
    _attack(
        "answers_by_own_root",
        "go through the root link of its own process",
        "print(open('/proc/self/root<<answers>>').read())",
    ),
    _attack(
        "answers_by_hosts_root",
        "go through the root link of the host's process",
        "print(open('/proc/<<host>>/root<<answers>>').read())",
    ),
    _attack(
        "answers_by_hosts_descriptor",
        "open again what the host has open",
        "print(open('/proc/<<host>>/fd/<<answers_fd>>').read())",
    ),
    _attack(
        "answers_from_within",
        "change into the private folder first",
        "os.chdir('<<private>>'); print(open('answers.csv').read())",
    ),
    _attack(
        "answers_by_folder_descriptor",
        "open relative to a descriptor of the private folder",
        "at = os.open('<<private>>', os.O_PATH)\n"
        "print(os.read(os.open('answers.csv', os.O_RDONLY, dir_fd=at), 999).decode())",
    ),
    _attack(
        "answers_by_path_descriptor",
        "open the path without reading, then the descriptor by its name",
        "at = os.open('<<answers>>', os.O_PATH); print(open(f'/proc/self/fd/{at}').read())",
    ),
    _attack(
        "answers_by_another_name",
        "give the answers a second name in the work directory",
        "os.link('<<answers>>', 'mine'); print(open('mine').read())",
    ),
    _attack(
        "answers_by_a_program",
        "have another program read them",
        "import subprocess; print(subprocess.run(['cat', '<<answers>>'], capture_output=True, text=True).stdout)",
    ),
    _attack(
        "answers_by_search",
        "search the places where temporary files lie",
        "import glob\nfor one in glob.glob('/tmp/attacked-*/private/*.csv'): print(open(one).read())",
    ),
    _attack(
        "answers_removed",
        "remove the answers, so that nobody can be graded",
        "os.remove('<<answers>>')",
        won="answers_gone",
    ),
    _attack(
        "answers_exchanged",
        "put other answers in their place",
        "open('theirs', 'w').write('id,y'); os.rename('theirs', '<<answers>>'); open('<<answers>>').read()\n"
        "print('<<token>>')",
        won="told",
    ),
    _attack(
        "answers_opened_for_writing",
        "write the host's answers anew",
        "os.open('<<answers>>', os.O_WRONLY | os.O_APPEND); print('<<token>>')",
        won="told",
    ),
    _attack(
        "answers_truncated",
        "empty the answers without opening them",
        "os.truncate('<<answers>>', 3); print('<<token>>')",
        won="told",
    ),
    _attack(
        "answers_as_a_module",
        "import from the private folder",
        "sys.path.insert(0, '<<private>>'); open('<<private>>/leak.py', 'w').write('')\n"
        "import leak; print('<<token>>')",
        won="told",
    ),
    _attack(
        "names_listed",
        "list the private folder",
        "print(os.listdir('<<private>>'), '<<token>>')",
        won="told",
    ),
    _attack(
        "names_watched",
        "be told of files that the host makes",
        "watch = _libc.inotify_init()\n"
        "assert _libc.inotify_add_watch(watch, b'<<renamer>>', 0x100) >= 0\nprint(os.read(watch, 4096))",
    ),
)
