"""StarCraft II's part of 2107.14795: choices and targets for sets of units."""
