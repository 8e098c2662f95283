"""From a request to a response: routes, limits, headers, errors, and the pages a browser gets."""
