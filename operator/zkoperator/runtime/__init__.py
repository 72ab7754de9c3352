"""The level-triggered loop, back-off, timers and clock that both kinds run on."""
