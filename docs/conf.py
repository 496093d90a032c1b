"""Settings of the site, which `scripts/docs.sh` builds."""

import logging
import os
import pathlib
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
# Of the tutorials' own processes, which would warn of local connections.
os.environ["PYTHONPATH"] = str(ROOT)
_ipython = tempfile.TemporaryDirectory()
os.environ["IPYTHONDIR"] = _ipython.name
_profile = pathlib.Path(_ipython.name, "profile_default")
_profile.mkdir()
(_profile / "ipython_kernel_config.py").write_text(
  "get_config().IPKernelApp.log_level = 'ERROR'\n"
)
logging.getLogger("traitlets").setLevel(logging.WARNING)

project = "perceiver"
author = "The perceiver authors"
project_copyright = author
extensions = [
  "myst_nb",
  "sphinx.ext.autodoc",
  "sphinx.ext.napoleon",
  "sphinx_copybutton",
]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = "perceiver"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False

# Links to headings of other pages are checked with those to pages.
myst_heading_anchors = 4
myst_enable_extensions = ["dollarmath"]
# Links from pages that lie outside of docs/, to files of the source.
myst_url_schemes = ["http", "https", "mailto"]

# Tutorials are run each time they or the code may have changed: no cache.
nb_execution_mode = "force"
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
add_module_names = False
default_role = "code"
napoleon_use_rtype = False
napoleon_custom_sections = [("Attributes", "params_style")]


def setup(app):
  """Shortens the names of arrays in signatures."""
  app.connect("autodoc-process-signature", _shorten)


def _shorten(app, what, name, obj, options, signature, returned):
  short = lambda text: text and text.replace("jaxlib._jax.", "")
  return short(signature), short(returned)
