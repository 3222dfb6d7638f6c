"""What a picture's file states about where it comes from. It stands beside a score and is never a part of one."""
