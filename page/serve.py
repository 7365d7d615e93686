"""Start the page: `python -m page.serve`; further arguments are Streamlit's, such as `--server.port 8502`."""

import json
import os
import sys
from pathlib import Path

HOST = "127.0.0.1"
PORT = 8501
# Okabe and Ito's colours, which people with colour-blindness can tell apart
COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999"]
OPTIONS = {
    "browser.gatherUsageStats": "false",
    "client.showErrorDetails": "none",
    "client.toolbarMode": "viewer",
    "server.address": HOST,
    "server.fileWatcherType": "none",
    "server.headless": "true",
    "server.port": str(PORT),
    "theme.chartCategoricalColors": json.dumps(COLOURS),
    # five figures with cents beside one another
    "theme.metricValueFontSize": "1.5rem",
}


def main(arguments: list[str]) -> None:
    """Run Streamlit in place of this process."""
    given = {argument.removeprefix("--").partition("=")[0] for argument in arguments}
    options = [f"--{name}={value}" for name, value in OPTIONS.items() if name not in given]
    app = Path(__file__).with_name("app.py")
    command = [sys.executable, "-m", "streamlit", "run", str(app), *options, *arguments]
    # the package `page` is found in the folder of the project
    os.chdir(app.parents[1])
    os.execve(command[0], command, os.environ | {"STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false"})  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
