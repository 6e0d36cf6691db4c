"""A B-tree of 11 keys a node, split as the original's maps split: nodes counted one insertion at a time."""

import bisect


class Node:
    def __init__(self, keys, children=None):
        self.keys, self.children = keys, children


def _split_point(at):
    """Return the middle key, whether the new one goes right of it, and where there."""
    if at < 5:
        return 4, False, at
    if at == 5:
        return 5, False, at
    if at == 6:
        return 5, True, 0
    return 6, True, at - 7


def insert(root, key):
    """Return the root after inserting a key that is not there."""
    path, node = [], root
    while node.children is not None:
        at = bisect.bisect_left(node.keys, key)
        path.append((node, at))
        node = node.children[at]
    at, right = bisect.bisect_left(node.keys, key), None
    while len(node.keys) == 11:
        middle, goes_right, place = _split_point(at)
        inner = node.children is not None
        sibling = Node(node.keys[middle + 1 :], node.children[middle + 1 :] if inner else None)
        up = node.keys[middle]
        node.keys, node.children = node.keys[:middle], node.children[: middle + 1] if inner else None
        target = sibling if goes_right else node
        target.keys.insert(place, key)
        if right is not None:
            target.children.insert(place + 1, right)
        key, right = up, sibling
        if not path:
            return Node([key], [node, right])
        node, at = path.pop()
    node.keys.insert(at, key)
    if right is not None:
        node.children.insert(at + 1, right)
    return root


def nodes(keys):
    """Return leaves and inner nodes after inserting the keys in the order given."""
    root = Node([])
    for key in keys:
        root = insert(root, key)
    leaves = inner = 0
    todo = [root]
    while todo:
        node = todo.pop()
        leaves += node.children is None
        inner += node.children is not None
        todo += node.children or []
    return leaves, inner
