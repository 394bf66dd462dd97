"""Headless Chromium, driven over its DevTools pipe: no driver, no websocket, nothing to install but the browser.

Commands and answers are JSON with a NUL behind each, on file descriptors 3 and 4 (``--remote-debugging-pipe``).
"""
import base64
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

FLAGS = ('--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
         '--disable-background-networking', '--disable-component-update', '--disable-sync', '--remote-debugging-pipe')


def chromium() -> str | None:
    """The browser's path, if there is one."""
    return next((x for x in map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome')) if x), None)


class Browser:
    """One browser with one page."""

    def __init__(self, profile: Path, timeout: float = 60.0) -> None:
        self.timeout, self.number, self.buffer, self.events = timeout, 0, b'', []
        read_command, self.write = os.pipe()
        self.read, write_answer = os.pipe()
        shell = f'exec "$@" 3<&{read_command} 4>&{write_answer}'
        self.process = subprocess.Popen(
            ['/bin/bash', '-c', shell, 'sh',
             chromium(), *FLAGS, f'--user-data-dir={profile}'],
            pass_fds=(read_command, write_answer),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(read_command)
        os.close(write_answer)
        self.session = None
        target = self.call('Target.createTarget', url='about:blank')['targetId']
        self.session = self.call('Target.attachToTarget', targetId=target, flatten=True)['sessionId']
        for domain in ('Page', 'Runtime', 'Log', 'Network'):
            self.call(f'{domain}.enable')

    def __enter__(self) -> 'Browser':
        return self

    def __exit__(self, *error) -> None:
        self.process.terminate()
        self.process.wait(20)
        os.close(self.write)
        os.close(self.read)

    def call(self, method: str, **parameters) -> dict[str, Any]:
        """Run one DevTools command and give its result."""
        self.number += 1
        message = {'id': self.number, 'method': method, 'params': parameters}
        if self.session:
            message['sessionId'] = self.session
        os.write(self.write, json.dumps(message).encode() + b'\0')
        while (answer := self._receive()).get('id') != self.number:
            self.events.append(answer)
        assert 'error' not in answer, answer['error']
        return answer['result']

    def _receive(self) -> dict[str, Any]:
        deadline = time.monotonic() + self.timeout
        while b'\0' not in self.buffer:
            ready, _, _ = select.select([self.read], [], [], max(0, deadline - time.monotonic()))
            assert ready, 'the browser does not answer'
            data = os.read(self.read, 1 << 16)
            assert data, 'the browser has ended'
            self.buffer += data
        message, _, self.buffer = self.buffer.partition(b'\0')
        return json.loads(message)

    def open(self, url: str) -> None:
        """Go to a page and wait until it has loaded."""
        self.events.clear()
        self.call('Page.navigate', url=url)
        while not any(x.get('method') == 'Page.loadEventFired' for x in self.events):
            self.events.append(self._receive())

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page; a promise is waited for."""
        result = self.call('Runtime.evaluate', expression=expression, returnByValue=True, awaitPromise=True)
        assert 'exceptionDetails' not in result, result['exceptionDetails']
        return result['result'].get('value')

    def click(self, selector: str) -> None:
        """Press the mouse in the middle of an element, as a person would."""
        x, y = self.evaluate(f'''(() => {{
            const element = document.querySelector({json.dumps(selector)});
            element.scrollIntoView({{block: 'center', behavior: 'instant'}});
            const box = element.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        }})()''')
        for kind in ('mousePressed', 'mouseReleased'):
            self.call('Input.dispatchMouseEvent', type=kind, x=x, y=y, button='left', clickCount=1)

    def resize(self, width: int, height: int, mobile: bool = False, dark: bool = False) -> None:
        """Set the size of the window, and whether the reader prefers dark colours."""
        self.call('Emulation.setDeviceMetricsOverride', width=width, height=height, deviceScaleFactor=1, mobile=mobile)
        scheme = {'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'}
        self.call('Emulation.setEmulatedMedia', features=[scheme])

    def problems(self) -> list[str]:
        """Errors and warnings in the console, uncaught exceptions and requests other than for the page itself."""
        found = []
        for event in self.events:
            method, parameters = event.get('method'), event.get('params', {})
            if method == 'Runtime.exceptionThrown':
                found.append(str(parameters['exceptionDetails']))
            elif method == 'Log.entryAdded' or (method == 'Runtime.consoleAPICalled'
                                                and parameters['type'] in ('error', 'warning')):
                found.append(str(parameters))
            elif method == 'Network.requestWillBeSent' and not parameters['request']['url'].startswith(
                ('file:', 'data:')):
                found.append(parameters['request']['url'])
        return found

    def screenshot(self, path: Path, whole: bool = True) -> None:
        """Save what the page looks like."""
        picture = self.call('Page.captureScreenshot', captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(picture['data']))
