"""The service: collects on schedule and by listening, until it is told to stop.

One process owns input, the store and the state. Stopping is orderly: collectors first, then what is
on the line is committed, then deliveries under way end. A kill at any instant is safe as well
(see ``state.progress``).
"""
