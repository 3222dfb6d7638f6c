"""The scores of many pictures as one page that works without a network: to look through, to print, to send on."""
