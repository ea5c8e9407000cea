"""Tricks with the file that the host copies out."""

from hostile.record import Attack, Off


def _attack(name: str, aim: str, code: str, won: str = "handed_over", path: str = "submission.csv") -> Attack:
    return Attack(name=name, family="submission tricks", aim=aim, code=code, won=won, off=Off.BARE, path=path)


SUBMISSION = (
    _attack("link", "submit a link to the answers", "os.symlink('<<answers>>', 'submission.csv')"),
    _attack(
        "link_by_relative_path",
        "submit a link that goes through the public files",
        "os.symlink('data/../../private/answers.csv', 'submission.csv')\n"
        "if not os.path.exists('submission.csv'):\n    os.remove('submission.csv')\n"
        "    os.symlink(os.path.relpath('<<answers>>'), 'submission.csv')",
    ),
    _attack(
        "link_to_its_folder",
        "submit a file in a folder that is a link",
        "os.symlink('<<private>>', 'out')",
        path="out/answers.csv",
    ),
    _attack("second_name", "submit a second name of the answers", "os.link('<<answers>>', 'submission.csv')"),
    _attack(
        "link_to_the_hosts_descriptor",
        "submit a link to what the host has open",
        "os.symlink('/proc/<<host>>/fd/<<answers_fd>>', 'submission.csv')",
    ),
    _attack("pipe", "submit a pipe, so that the host waits for ever", "os.mkfifo('submission.csv')"),
    _attack("endless", "submit a device that never ends", "os.symlink('/dev/zero', 'submission.csv')"),
    _attack(
        "hollow",
        "submit a file that takes no space and is large",
        "with open('submission.csv', 'wb') as file: file.truncate(9 << 20)",
    ),
    _attack("too_large", "submit a file larger than allowed", "open('submission.csv', 'wb').write(bytes(3 << 20))"),
    _attack(
        "growing",
        "submit a file that grows while it is read",
        "open('submission.csv', 'w').write('id,y')\nif os.fork() == 0:\n    named('<<token>>')\n"
        "    with open('submission.csv', 'ab') as file:\n        for _ in range(12): file.write(bytes(1 << 20))\n"
        "    time.sleep(3); os._exit(0)\ntime.sleep(0.3)",
    ),
    _attack(
        "swapped",
        "exchange file and link, over and over, while the host looks",
        "open('good', 'w').write('id,y'); os.symlink('<<answers>>', 'bad')\n"
        "if os.fork() == 0:\n    named('<<token>>')\n"
        "    for _ in range(300):\n        for one, pause in (('good', 0.0001), ('bad', 0.01)):\n"
        "            os.link(one, 'new', follow_symlinks=False); os.rename('new', 'submission.csv')\n"
        "            time.sleep(pause)\n"
        "    os._exit(0)\ntime.sleep(0.1)\nif os.path.lexists('submission.csv'): os.remove('submission.csv')\n"
        "os.symlink('<<answers>>', 'submission.csv')",
    ),
    _attack(
        "path_upwards",
        "name a path that leaves the work directory",
        "os.makedirs('a', exist_ok=True)",
        path="data/../private/answers.csv",
    ),
    _attack(
        "tree_of_many",
        "leave more files than anybody wants to copy",
        "for at in range(300): open(f'file{at}', 'w').write('x')",
        won="tree_handed_over",
    ),
    _attack(
        "tree_with_a_link",
        "hide a link to the answers among files",
        "os.mkdir('out'); open('out/model', 'w').write('x'); os.symlink('<<answers>>', 'out/notes')",
        won="tree_handed_over",
    ),
)
