"""A blog campaign that does real work without a language model.

The agents read a folder of texts, find what is most telling in it, and leave a blog post with citations, its search
engine data, two pictures and social media posts. The same sources give the same bytes.
"""
