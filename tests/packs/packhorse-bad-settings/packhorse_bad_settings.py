"""Cannot give its settings class"""

from packhorse import hookimpl


@hookimpl
def register_settings():
    raise ValueError("no settings today")
