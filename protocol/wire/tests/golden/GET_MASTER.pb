‚—
‚
$cce2effb-69dc-4b43-a798-05d9029c6eddÿ€€š…"master@127.0.0.1:17050*	localhost21.11.0:
	localhost	127.0.0.1š…JJJª·ÒzaÀÚA™ÑÒzaÀÚA