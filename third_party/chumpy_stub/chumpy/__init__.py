"""Stands in for chumpy, which mmpose 1.3.2 lists as a dependency, never imports, and which no current Python builds."""
raise ImportError('chumpy is not installed; this package only satisfies a dependency that nothing uses')
