"""Where the bytes of datasets come from: plain folders, tar shards with an index, and shards behind a URL.

:mod:`.packing` makes shards, :mod:`.files` reads all three by path; everything else serves these two.
"""
from .ahead import Prefetcher
from .cache import cache_folder, forget_unused, mark_used
from .files import (
                    described,
                    exists,
                    find_folder,
                    folder_of,
                    is_file,
                    is_folder,
                    is_remote,
                    is_url,
                    list_folder,
                    local,
                    made_of,
                    read,
)
from .packing import Packed, pack, verify
from .remote import shown

__all__ = ['Packed', 'Prefetcher', 'cache_folder', 'described', 'exists', 'find_folder', 'folder_of',
           'forget_unused', 'is_file', 'is_folder', 'is_remote', 'is_url', 'list_folder', 'local', 'made_of',
           'mark_used', 'pack', 'read', 'shown', 'verify']
