"""Remove the modules, functions and signals of POSIX that Windows lacks from this process.

Python imports this file when it starts, if the folder is on its path.
"""

import os
import signal
import sys

# These check the system's name and then expect its modules and functions.
import filelock  # noqa: F401
import platformdirs  # noqa: F401
import psutil  # noqa: F401

for module in ("crypt", "fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty"):
    sys.modules[module] = None  # type: ignore[assignment]  # an import raises ImportError
for function in (
    *("chown", "fchown", "fork", "forkpty", "getegid", "geteuid", "getgid", "getpgid", "getuid", "killpg"),
    *("lchown", "mkfifo", "nice", "openpty", "setpgid", "setsid", "sched_getaffinity"),
    *("O_DIRECTORY", "O_NOFOLLOW", "O_SYNC"),
):
    if hasattr(os, function):
        delattr(os, function)
for name in ("SIGALRM", "SIGCONT", "SIGHUP", "SIGQUIT", "SIGTSTP", "SIGUSR1", "SIGUSR2", "SIGWINCH"):
    delattr(signal, name)
for function in ("alarm", "pause", "pthread_kill", "pthread_sigmask", "setitimer", "siginterrupt", "sigwait"):
    delattr(signal, function)
