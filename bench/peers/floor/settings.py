"""No middleware, two apps."""

import common

globals().update(common.settings("floor", ["rest_framework", "floor"], []))
